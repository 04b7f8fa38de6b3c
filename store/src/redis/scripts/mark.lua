#!lua
-- KEYS room members marks mentions channel | ARGV user seq read|delivered mostEntries
-- Gives OK, the marks before, and now: delivered and read each.
local user = ARGV[1]
local head = redis.call('HMGET', KEYS[1], 'seq', 'members')
if not head[1] then return {'NO_ROOM'} end
if redis.call('HEXISTS', KEYS[2], user) == 0 then return {'NOT_A_MEMBER'} end
local was = redis.call('HGET', KEYS[3], user) or '0 0'
local delivered, read = string.match(was, '^(%d+) (%d+)$')
local to = math.min(tonumber(ARGV[2]), tonumber(head[1]))
delivered = math.max(tonumber(delivered), to)
if ARGV[3] == 'read' then read = math.max(tonumber(read), to) end
local now = string.format('%d %d', delivered, read)
if now ~= was then
  redis.call('HSET', KEYS[3], user, now)
  -- What is read is counted no more; what is over the limit goes with a later mark, or with its messages.
  if ARGV[3] == 'read' then
    local past = redis.call('ZRANGE', KEYS[4], '[' .. user .. ' ', string.format('[%s %016d', user, read), 'BYLEX', 'LIMIT', 0, tonumber(ARGV[4]))
    if #past > 0 then redis.call('ZREM', KEYS[4], unpack(past)) end
  end
  redis.call('SPUBLISH', KEYS[5], 'k ' .. user .. ' ' .. head[2] .. ' ' .. was .. ' ' .. now)
end
return {'OK', was .. ' ' .. now}
