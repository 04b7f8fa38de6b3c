#!lua
-- KEYS mails | ARGV waiting name. Gives what is in the mail, as "after upto".
local sealed = redis.call('HGET', KEYS[1], ARGV[2])
if sealed then return sealed end
local name, came = string.match(redis.call('HGET', KEYS[1], ARGV[1]) or '', '^(%S+) (.*)$')
if name ~= ARGV[2] then return false end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], name, came)
return came
