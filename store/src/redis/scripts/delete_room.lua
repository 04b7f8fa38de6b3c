#!lua
-- KEYS room members joined void channel due retention ending former, then all else of the room
-- ARGV by byRole('': any) eventId name(JSON) room record
-- Of the room stays that it was deleted, and who were its members, whose lists have to follow.
local call = redis.call
if call('EXISTS', KEYS[4]) == 1 then return 'VOID' end
local head = call('HMGET', KEYS[1], 'rev', 'deleted')
-- The same call again, after its answer was lost.
if head[2] == ARGV[3] then return 'OK' end
if not head[1] then return 'NO_ROOM' end
if ARGV[2] ~= '' and string.match(call('HGET', KEYS[2], ARGV[1]) or '', '^%S*') ~= ARGV[2] then return 'ROLES_CHANGED' end
if call('HGET', KEYS[1], 'record') ~= ARGV[6] then return 'CHANGED' end
local t = call('TIME')
local at = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local rev = string.format('%d', head[1] + 1)
call('SPUBLISH', KEYS[5], 'x ' .. rev .. ' ' .. ARGV[3] .. ' ' .. at .. ' ' .. ARGV[1] .. ' 0\n' .. ARGV[4] .. '\n')
call('RENAME', KEYS[3], KEYS[9])
call('UNLINK', KEYS[1], KEYS[2])
for i = 10, #KEYS do call('UNLINK', KEYS[i]) end
call('HSET', KEYS[1], 'deleted', ARGV[3])
call('ZREM', KEYS[6], ARGV[5])
call('ZREM', KEYS[7], ARGV[5])
call('ZADD', KEYS[8], at, ARGV[5])
return 'OK'
