#!lua
-- KEYS room members changes channel retention void
-- ARGV by byRole eventId name(JSON) record(as it was read) record(as it is to be) maxAge(ms or nothing) maxMessages(or
-- nothing) room changesKept
-- Gives OK, or CHANGED where the record is not what was read.
local call = redis.call
if call('EXISTS', KEYS[6]) == 1 then return 'VOID' end
local head = call('HMGET', KEYS[1], 'rev', 'eid', 'record')
if not head[1] then return 'NO_ROOM' end
-- The same call again, after its answer was lost.
if head[2] == ARGV[3] then return 'OK' end
if string.match(call('HGET', KEYS[2], ARGV[1]) or '', '^%S*') ~= ARGV[2] then return 'ROLES_CHANGED' end
if head[3] ~= ARGV[5] then return 'CHANGED' end
if ARGV[6] == ARGV[5] then return 'OK' end
local t = call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
call('HSET', KEYS[1], 'record', ARGV[6], 'rev', rev, 'eid', ARGV[3])
if ARGV[7] ~= '' or ARGV[8] ~= '' then
  call('HSET', KEYS[1], 'maxAge', ARGV[7], 'maxMessages', ARGV[8])
  call('ZADD', KEYS[5], 'NX', 0, ARGV[9])
else
  -- Trimming forgets the room when nothing is leaving any more.
  call('HDEL', KEYS[1], 'maxAge', 'maxMessages')
end
local change = ARGV[3] .. ' ' .. at .. ' ' .. ARGV[1] .. ' 0'
call('HSET', KEYS[3], rev, 'u ' .. change)
call('HDEL', KEYS[3], string.format('%d', revn - tonumber(ARGV[10])))
call('SPUBLISH', KEYS[4], 'u ' .. rev .. ' ' .. change .. '\n' .. ARGV[4] .. '\n' .. ARGV[6])
return 'OK'
