#!lua
-- KEYS room members messages changes marks due channel; with mentions, replyTo or files: mentions replies; with files:
-- files; with a key: dedupe
-- ARGV author eventId meta content name(JSON) room notifyAfter(ms) changesKept mentions replyTo(0: none)
-- and, with a key, contentHash dedupeKept(ms); with files, for which there is a key: their ids
-- Lua hashes every byte of a string it is given or makes, so what is not needed is not passed.
local call = redis.call
local author, eid, mentions = ARGV[1], ARGV[2], ARGV[9]
local dedupe = ARGV[11] and KEYS[#KEYS]
if dedupe then
  local first = call('GET', dedupe)
  if first then
    if string.sub(first, 1, 64) ~= ARGV[11] then return {'CONFLICT'} end
    return {'OK', string.sub(first, 66)}
  end
end
local head = call('HMGET', KEYS[1], 'seq', 'rev', 'notified', 'blocked')
if not head[1] then return {'NO_ROOM'} end
if call('HEXISTS', KEYS[2], author) == 0 then return {'NOT_A_MEMBER'} end
if head[4] then return {'BLOCKED'} end
local t = call('TIME')
local ms = t[1] * 1000 + math.floor(t[2] / 1000)
local seqn, revn = head[1] + 1, head[2] + 1
local at, seq, rev = string.format('%d', ms), string.format('%d', seqn), string.format('%d', revn)
local named, parent = '', '0'
if mentions ~= '' then
  local list = {}
  for user in string.gmatch(mentions, '%S+') do
    if user == '*' or call('HEXISTS', KEYS[2], user) == 1 then list[#list + 1] = user end
  end
  -- Who is named by `*` is not counted by name too.
  for i = 1, list[1] == '*' and 1 or #list do
    call('ZADD', KEYS[8], 0, string.format('%s %016d', list[i], seqn))
  end
  named = table.concat(list, ' ')
end
if ARGV[10] ~= '0' then
  local answered = call('HGET', KEYS[3], ARGV[10])
  if answered then
    parent = ARGV[10]
    local before, replies, after = string.match(answered, '^(%S+ %S+ %S+ )(%d+)(.*)$')
    call('HSET', KEYS[3], parent, before .. string.format('%d', replies + 1) .. after)
    call('ZADD', KEYS[9], 0, string.format('%016d %016d', parent, seqn))
  end
end
if ARGV[13] then call('SADD', KEYS[10], unpack(ARGV, 13)) end
local change = 'm ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq
local message = at .. ' - - 0 ' .. parent .. '\n' .. ARGV[3] .. '\n' .. named .. '\n\n' .. ARGV[4]
call('HSET', KEYS[1], 'seq', seq, 'rev', rev, 'eid', eid)
call('HSET', KEYS[3], seq, message)
call('HSET', KEYS[4], rev, change)
if revn > tonumber(ARGV[8]) then call('HDEL', KEYS[4], string.format('%d', revn - ARGV[8])) end
call('HSET', KEYS[5], author, seq .. ' ' .. seq)
-- With messages that were not considered yet it is in the queue already.
if head[3] == head[1] then call('ZADD', KEYS[6], 'NX', string.format('%d', ms + ARGV[7]), ARGV[6]) end
local result = seq .. ' ' .. rev .. ' ' .. eid .. ' ' .. at
if dedupe then call('SET', dedupe, ARGV[11] .. ' ' .. result, 'PX', ARGV[12]) end
call('SPUBLISH', KEYS[7], 'm ' .. rev .. ' ' .. eid .. ' ' .. at .. ' ' .. author .. ' ' .. seq .. '\n' .. ARGV[5] .. '\n' .. message)
return {'OK', result}
