#!lua
-- KEYS room members messages changes marks due channel dedupe mentions replies
-- ARGV author eventId meta content name(JSON) room notifyAfter(ms) contentHash changesKept dedupeKept(ms; 0: no key)
-- replyTo(0: none) mentions
local call = redis.call
local author, eid = ARGV[1], ARGV[2]
if ARGV[10] ~= '0' then
  local first = call('GET', KEYS[8])
  if first then
    if string.sub(first, 1, 64) ~= ARGV[8] then return {'CONFLICT'} end
    return {'OK', string.sub(first, 66)}
  end
end
local head = call('HMGET', KEYS[1], 'seq', 'rev')
if not head[1] then return {'NO_ROOM'} end
if call('HEXISTS', KEYS[2], author) == 0 then return {'NOT_A_MEMBER'} end
local t = call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local at = string.format('%d', ms)
local seqn = tonumber(head[1]) + 1
local seq = string.format('%d', seqn)
local revn = tonumber(head[2]) + 1
local rev = string.format('%d', revn)
local named = {}
for user in string.gmatch(ARGV[12], '%S+') do
  if user == '*' or call('HEXISTS', KEYS[2], user) == 1 then named[#named + 1] = user end
end
-- Who is named by `*` is not counted by name too.
for i = 1, named[1] == '*' and 1 or #named do
  call('ZADD', KEYS[9], 0, string.format('%s %016d', named[i], seqn))
end
local parent = '0'
local answered = ARGV[11] ~= '0' and call('HGET', KEYS[3], ARGV[11])
if answered then
  parent = ARGV[11]
  local before, replies, after = string.match(answered, '^(%S+ %S+ %S+ )(%d+)(.*)$')
  call('HSET', KEYS[3], parent, before .. string.format('%d', replies + 1) .. after)
  call('ZADD', KEYS[10], 0, string.format('%016d %016d', parent, seqn))
end
local message = at .. ' - - 0 ' .. parent .. '\n' .. ARGV[3] .. '\n' .. table.concat(named, ' ') .. '\n\n' .. ARGV[4]
call('HSET', KEYS[1], 'seq', seq, 'rev', rev, 'eid', eid)
call('HSET', KEYS[3], seq, message)
call('HSET', KEYS[4], rev, 'm ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq)
if revn > tonumber(ARGV[9]) then call('HDEL', KEYS[4], string.format('%d', revn - tonumber(ARGV[9]))) end
call('HSET', KEYS[5], author, seq .. ' ' .. seq)
call('ZADD', KEYS[6], 'NX', string.format('%d', ms + tonumber(ARGV[7])), ARGV[6])
local result = seq .. ' ' .. rev .. ' ' .. eid .. ' ' .. at
if ARGV[10] ~= '0' then call('SET', KEYS[8], ARGV[8] .. ' ' .. result, 'PX', ARGV[10]) end
call('SPUBLISH', KEYS[7], 'm ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq .. '\n' .. ARGV[5] .. '\n' .. message)
return {'OK', result}
