#!lua
-- KEYS room members messages changes reactions channel
-- ARGV seq user eventId name(JSON) emoji(hex) give(1|0) emojisKept usersListed changesKept
-- Gives OK and how many have given it. What is so already, or was sent before, is no change.
local seq, user, eid, emoji, give = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[6]
local head = redis.call('HMGET', KEYS[1], 'rev', 'blocked')
if not head[1] then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], user) == 0 then return {'NOT_A_MEMBER'} end
if head[2] then return {'BLOCKED'} end
local old = redis.call('HGET', KEYS[3], seq)
if not old then return {'NO_MESSAGE'} end
local top, tallies, content = string.match(old, '^(%d+ %- [^\n]*\n[^\n]*\n[^\n]*\n)([^\n]*)(\n.*)$')
-- Deleted: there the first line goes on differently.
if not top then return {'NO_MESSAGE'} end
local left, count, users, right = string.match(tallies, '^(.-) ' .. emoji .. ':(%d+):(%S*)(.*)$')
local entry = string.format('%016d', seq) .. ' ' .. user .. ' ' .. emoji
if redis.call('ZSCORE', KEYS[5], entry) and give == '1' then return {'OK', count} end
if give == '1' then
  if not left then
    local _, kinds = string.gsub(tallies, ' ', '')
    if kinds >= tonumber(ARGV[7]) then return {'TOO_MANY'} end
    left, count, users, right = tallies, 0, '', ''
  end
  redis.call('ZADD', KEYS[5], 0, entry)
  count = count + 1
  local _, listed = string.gsub(users, '[^,]+', '')
  if listed < tonumber(ARGV[8]) then users = users == '' and user or users .. ',' .. user end
else
  if redis.call('ZREM', KEYS[5], entry) == 0 then return {'OK', count or '0'} end
  count = count - 1
  local others = {}
  for other in string.gmatch(users, '[^,]+') do
    if other ~= user then others[#others + 1] = other end
  end
  users = table.concat(others, ',')
end
count = string.format('%d', count)
local tally = count == '0' and '' or ' ' .. emoji .. ':' .. count .. ':' .. users
local t = redis.call('TIME')
local now = string.format('%d', t[1] * 1000 + math.floor(t[2] / 1000))
local revn = tonumber(head[1]) + 1
local rev = string.format('%d', revn)
local what = eid .. ' ' .. now .. ' ' .. user .. ' ' .. seq .. ' ' .. emoji .. ' ' .. give
redis.call('HSET', KEYS[3], seq, top .. left .. tally .. right .. content)
redis.call('HSET', KEYS[1], 'rev', rev, 'eid', eid)
redis.call('HSET', KEYS[4], rev, 'r ' .. what)
redis.call('HDEL', KEYS[4], string.format('%d', revn - tonumber(ARGV[9])))
redis.call('SPUBLISH', KEYS[6], 'r ' .. rev .. ' ' .. what .. '\n' .. ARGV[4] .. '\n' .. count)
return {'OK', count}
