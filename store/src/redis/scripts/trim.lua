#!lua
-- KEYS room messages deleted mentions reactions replies retention leaving files orphans | ARGV room now most mostEntries
-- Removes messages, the oldest ones, which the room's retention no longer keeps, and index entries of what is removed or
-- deleted. Gives how many messages, how many entries, and 1 where entries are left.
local head = redis.call('HMGET', KEYS[1], 'seq', 'floor', 'maxAge', 'maxMessages')
if not head[1] then
  redis.call('ZREM', KEYS[7], ARGV[1])
  return {0, 0, 0}
end
-- Looked at now: the others of the shard come first.
redis.call('ZADD', KEYS[7], 'XX', ARGV[2], ARGV[1])
local last, floor, now = tonumber(head[1]), tonumber(head[2]), tonumber(ARGV[2])
local age, kept = tonumber(head[3] or ''), tonumber(head[4] or '')
local removed, most = 0, tonumber(ARGV[3])
while removed < most and floor < last do
  local seq = string.format('%d', floor + 1)
  local message = redis.call('HGET', KEYS[2], seq)
  local at, meta, named = string.match(message, '^(%d+)[^\n]*\n([^\n]*)\n([^\n]*)')
  local over = kept and last - floor > kept or age and now - at > age
  if not over then break end
  redis.call('HDEL', KEYS[2], seq)
  for word in string.gmatch(named, '%S+') do
    redis.call('ZREM', KEYS[4], string.format('%s %016d', word, seq))
    if word == '*' then break end
  end
  for file in string.gmatch(meta, '\t{"id":"([^"]*)"') do
    redis.call('SREM', KEYS[9], file)
    redis.call('SADD', KEYS[10], file)
  end
  floor = floor + 1
  removed = removed + 1
end
if removed > 0 then
  redis.call('HSET', KEYS[1], 'floor', string.format('%d', floor))
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', floor)
end
-- A message may have as many entries as the room has members: what is over the limit is for the next call.
local swept, most_swept = 0, tonumber(ARGV[4])
local function sweep(key, from, to)
  local left = redis.call('ZRANGE', key, from, to, 'BYLEX', 'LIMIT', 0, most_swept - swept)
  if #left > 0 then swept = swept + redis.call('ZREM', key, unpack(left)) end
  return swept < most_swept
end
local below = string.format('(%016d', floor + 1)
local done = sweep(KEYS[5], '-', below) and sweep(KEYS[6], '-', below)
while done do
  local seq = redis.call('ZRANGE', KEYS[8], 0, 0)[1]
  if not seq then break end
  done = sweep(KEYS[5], '[' .. seq .. ' ', '(' .. seq .. '!')
  if done then redis.call('ZREM', KEYS[8], seq) end
end
if done and not age and not kept then redis.call('ZREM', KEYS[7], ARGV[1]) end
return {removed, swept, done and 0 or 1}
