#!lua
-- KEYS due room outcomes | ARGV room seq, then a user and their outcome(JSON) in turn
local head = redis.call('HMGET', KEYS[2], 'notified', 'seq')
if not head[2] then
  redis.call('ZREM', KEYS[1], ARGV[1])
  return 0
end
if #ARGV > 2 then redis.call('HSET', KEYS[3], unpack(ARGV, 3)) end
local last = tonumber(head[2])
local mark = math.max(tonumber(head[1]), math.min(tonumber(ARGV[2]), last))
redis.call('HSET', KEYS[2], 'notified', string.format('%d', mark))
if mark == last then redis.call('ZREM', KEYS[1], ARGV[1]) else redis.call('ZADD', KEYS[1], 0, ARGV[1]) end
return 1
