#!lua
-- KEYS bucket | ARGV burst count. One that is not there is full.
local tokens = redis.call('HGET', KEYS[1], 'tokens')
if not tokens then return 0 end
tokens = math.min(tonumber(ARGV[1]), tonumber(tokens) + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens))
return 1
