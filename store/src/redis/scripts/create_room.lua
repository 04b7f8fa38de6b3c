#!lua
-- KEYS room members joined changes channel void retention
-- ARGV record room maxAge(ms or nothing) maxMessages(or nothing), then for each member: user role eventId name(JSON)
if redis.call('EXISTS', KEYS[6]) == 1 then return 'VOID' end
if redis.call('EXISTS', KEYS[1]) == 1 then return 'EXISTS' end
local t = redis.call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local rev, eid = 0, ''
for i = 5, #ARGV, 4 do
  rev = rev + 1
  local user = ARGV[i]
  eid = ARGV[i + 2]
  redis.call('HSET', KEYS[2], user, ARGV[i + 1] .. ' 0 ' .. rev .. ' ' .. at .. ' ' .. eid)
  redis.call('ZADD', KEYS[3], rev, user)
  redis.call('HSET', KEYS[4], rev, 'j ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0')
  redis.call('SPUBLISH', KEYS[5], 'j ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. user .. ' 0\n' .. ARGV[i + 3] .. '\n')
end
redis.call('HSET', KEYS[1], 'record', ARGV[1], 'seq', 0, 'rev', rev, 'eid', eid, 'floor', 0, 'members', rev, 'notified', 0)
if ARGV[3] ~= '' or ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'maxAge', ARGV[3], 'maxMessages', ARGV[4])
  redis.call('ZADD', KEYS[7], 0, ARGV[2])
end
return 'OK'
