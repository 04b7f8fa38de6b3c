#!lua
-- KEYS room members messages changes mentions channel | ARGV seq user eventId name(JSON) content mentions changesKept
-- Gives OK, the message, and the room's position.
local seq, user, eid = ARGV[1], ARGV[2], ARGV[3]
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid', 'blocked')
if not head[1] then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], user) == 0 then return {'NOT_A_MEMBER'} end
if head[3] then return {'BLOCKED'} end
local old = redis.call('HGET', KEYS[3], seq)
if not old then return {'NO_MESSAGE'} end
local at, gone, numbers, meta, was, tallies, content =
  string.match(old, '^(%d+) (%S+) %S+ ([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$')
if gone ~= '-' then return {'NO_MESSAGE'} end
-- No change, or the same call again, after its answer was lost.
if content == ARGV[5] then return {'OK', old, head[1], head[2]} end
-- Who is named by `*` is not counted by name too.
local function counted(named)
  if named[1] == '*' then return {'*'} end
  return named
end
local before, named = {}, {}
for word in string.gmatch(was, '%S+') do before[#before + 1] = word end
for word in string.gmatch(ARGV[6], '%S+') do
  if word == '*' or redis.call('HEXISTS', KEYS[2], word) == 1 then named[#named + 1] = word end
end
for _, word in ipairs(counted(before)) do redis.call('ZREM', KEYS[5], string.format('%s %016d', word, seq)) end
for _, word in ipairs(counted(named)) do redis.call('ZADD', KEYS[5], 0, string.format('%s %016d', word, seq)) end
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
local message = at .. ' - ' .. now .. ' ' .. numbers .. '\n' .. meta .. '\n' .. table.concat(named, ' ') .. '\n' .. tallies .. '\n' .. ARGV[5]
redis.call('HSET', KEYS[3], seq, message)
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HSET', KEYS[4], rev, 'e ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq)
redis.call('HDEL', KEYS[4], string.format('%d', revn - tonumber(ARGV[7])))
redis.call('SPUBLISH', KEYS[6], 'e ' .. rev .. ' ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq .. '\n' .. ARGV[4] .. '\n' .. message)
return {'OK', message, rev, eid}
