#!lua
-- KEYS items order read collapse keys log channel
-- ARGV id createdAt item(JSON) kept readAt('': unread) eventId entry changesKept, then the collapse key or nothing
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
if ARGV[9] then
  local earlier = redis.call('HGET', KEYS[4], ARGV[9])
  if earlier and redis.call('HEXISTS', KEYS[3], earlier) == 0 then drop(earlier) end
  redis.call('HSET', KEYS[4], ARGV[9], id)
  redis.call('HSET', KEYS[5], id, ARGV[9])
end
redis.call('HSET', KEYS[1], id, ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[2], id)
if ARGV[5] ~= '' then redis.call('HSET', KEYS[3], id, ARGV[5]) end
local over = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if over > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[2], 0, over - 1)) do drop(old) end
end
local eid = ARGV[6]
local rev = redis.call('HINCRBY', KEYS[6], 'rev', 1)
redis.call('HSET', KEYS[6], 'eid', eid, rev, eid .. ' ' .. ARGV[7])
redis.call('HDEL', KEYS[6], rev - tonumber(ARGV[8]))
redis.call('SPUBLISH', KEYS[7], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[7] .. '\n' .. ARGV[5] .. '\n' .. ARGV[3])
return 1
