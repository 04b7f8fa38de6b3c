#!lua
-- KEYS room messages changes deleted mentions reactions channel leaving retention files orphans members
-- ARGV seq user eventId name(JSON) changesKept room mostEntries role('': not compared)
-- Gives OK (or GONE: it was before) and the room's position.
local seq, user, eid = ARGV[1], ARGV[2], ARGV[3]
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
local old = redis.call('HGET', KEYS[2], seq)
if not old then return {'NO_MESSAGE'} end
local at, gone, edited, replies, parent, meta, named, tallies =
  string.match(old, '^(%d+) (%S+) (%S+) (%d+) (%d+)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n')
if gone ~= '-' then
  -- The same call again, after its answer was lost.
  if head[2] == eid then return {'OK', head[1], eid} end
  return {'GONE', head[1], head[2]}
end
if ARGV[8] ~= '' and string.match(redis.call('HGET', KEYS[12], user) or '', '^%S*') ~= ARGV[8] then
  return {'ROLES_CHANGED'}
end
for word in string.gmatch(named, '%S+') do
  redis.call('ZREM', KEYS[5], string.format('%s %016d', word, seq))
  if word == '*' then break end
end
if tallies ~= '' then
  local own = string.format('%016d', seq)
  local left = redis.call('ZRANGE', KEYS[6], '[' .. own .. ' ', '(' .. own .. '!', 'BYLEX', 'LIMIT', 0, tonumber(ARGV[7]))
  if #left > 0 then redis.call('ZREM', KEYS[6], unpack(left)) end
  if #left == tonumber(ARGV[7]) then
    -- There may be as many as members: trimming removes the rest.
    redis.call('ZADD', KEYS[8], 0, own)
    redis.call('ZADD', KEYS[9], 'NX', 0, ARGV[6])
  end
end
local kept = string.match(meta, '^[^\t]*')
for file in string.gmatch(meta, '\t{"id":"([^"]*)"') do
  redis.call('SREM', KEYS[10], file)
  redis.call('SADD', KEYS[11], file)
end
local answered = parent ~= '0' and redis.call('HGET', KEYS[2], parent)
if answered then
  local before, count, after = string.match(answered, '^(%S+ %S+ %S+ )(%d+)(.*)$')
  redis.call('HSET', KEYS[2], parent, before .. string.format('%d', count - 1) .. after)
end
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
redis.call('HSET', KEYS[2], seq, at .. ' ' .. now .. ' ' .. edited .. ' ' .. replies .. ' ' .. parent .. '\n' .. kept .. '\n\n\n')
redis.call('ZADD', KEYS[4], seq, seq)
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HSET', KEYS[3], rev, 'd ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq)
redis.call('HDEL', KEYS[3], string.format('%d', revn - tonumber(ARGV[5])))
redis.call('SPUBLISH', KEYS[7], 'd ' .. rev .. ' ' .. eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq .. '\n' .. ARGV[4] .. '\n')
return {'OK', rev, eid}
