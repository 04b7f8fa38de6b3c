#!lua
-- KEYS room messages deleted mentions reactions replies retention | ARGV room now most
-- Gives how many messages were removed: the oldest ones, which the room's retention no longer keeps.
local head = redis.call('HMGET', KEYS[1], 'seq', 'floor', 'maxAge', 'maxMessages')
if not head[1] then
  redis.call('ZREM', KEYS[7], ARGV[1])
  return 0
end
-- Looked at now: the others of the shard come first.
redis.call('ZADD', KEYS[7], 'XX', ARGV[2], ARGV[1])
local last, floor, now = tonumber(head[1]), tonumber(head[2]), tonumber(ARGV[2])
local age, kept = tonumber(head[3] or ''), tonumber(head[4] or '')
local removed, most = 0, tonumber(ARGV[3])
while removed < most and floor < last do
  local seq = string.format('%d', floor + 1)
  local message = redis.call('HGET', KEYS[2], seq)
  local at, named = string.match(message, '^(%d+)[^\n]*\n[^\n]*\n([^\n]*)')
  local over = kept and last - floor > kept or age and now - at > age
  if not over then break end
  redis.call('HDEL', KEYS[2], seq)
  for word in string.gmatch(named, '%S+') do
    redis.call('ZREM', KEYS[4], string.format('%s %016d', word, seq))
    if word == '*' then break end
  end
  floor = floor + 1
  removed = removed + 1
end
if removed > 0 then
  local below = string.format('(%016d', floor + 1)
  redis.call('HSET', KEYS[1], 'floor', string.format('%d', floor))
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', floor)
  redis.call('ZREMRANGEBYLEX', KEYS[5], '-', below)
  redis.call('ZREMRANGEBYLEX', KEYS[6], '-', below)
end
return removed
