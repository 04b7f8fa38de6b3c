#!lua
-- KEYS items read log channel | ARGV at(ms) eventId entry changesKept, then the item or nothing (all).
-- Gives how many there are of it, and were unread.
local ids = ARGV[5] and {ARGV[5]} or redis.call('HKEYS', KEYS[1])
local there, unread = 0, 0
for _, id in ipairs(ids) do
  if redis.call('HEXISTS', KEYS[1], id) == 1 then
    there = there + 1
    unread = unread + redis.call('HSETNX', KEYS[2], id, ARGV[1])
  end
end
if unread > 0 then
  local eid = ARGV[2]
  local rev = redis.call('HINCRBY', KEYS[3], 'rev', 1)
  redis.call('HSET', KEYS[3], 'eid', eid, rev, eid .. ' ' .. ARGV[3])
  redis.call('HDEL', KEYS[3], rev - tonumber(ARGV[4]))
  redis.call('SPUBLISH', KEYS[4], 'u ' .. rev .. ' ' .. eid .. ' ' .. ARGV[3])
end
return {there, unread}
