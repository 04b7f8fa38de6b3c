#!lua
-- KEYS items order read collapse keys channel | ARGV id createdAt item(JSON) event(JSON) kept readAt('': unread),
-- then the collapse key or nothing
local function drop(id)
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('HDEL', KEYS[3], id)
  local key = redis.call('HGET', KEYS[5], id)
  if key then
    redis.call('HDEL', KEYS[5], id)
    if redis.call('HGET', KEYS[4], key) == id then redis.call('HDEL', KEYS[4], key) end
  end
end
local id = ARGV[1]
if redis.call('HEXISTS', KEYS[1], id) == 1 then return 0 end
if ARGV[7] then
  local earlier = redis.call('HGET', KEYS[4], ARGV[7])
  if earlier and redis.call('HEXISTS', KEYS[3], earlier) == 0 then drop(earlier) end
  redis.call('HSET', KEYS[4], ARGV[7], id)
  redis.call('HSET', KEYS[5], id, ARGV[7])
end
redis.call('HSET', KEYS[1], id, ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], id)
if ARGV[6] ~= '' then redis.call('HSET', KEYS[3], id, ARGV[6]) end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if over > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do drop(old) end
end
redis.call('SPUBLISH', KEYS[6], ARGV[4])
return 1
