#!lua flags=no-writes
-- KEYS log items read | ARGV rev eventId limit
-- Gives OK, hasMore, then rev, entry, item and readAt (or false) in turn; or RESET, head rev, head eventId.
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
local last, rev, limit = tonumber(head[1] or '0'), tonumber(ARGV[1]), tonumber(ARGV[3])
-- Rev 0 is the beginning: it is known while the first change is, which the loop finds out.
local known = rev > 0 and rev <= last and redis.call('HGET', KEYS[1], ARGV[1])
if rev > 0 and (not known or string.sub(known, 1, 16) ~= ARGV[2]) then return {'RESET', head[1], head[2]} end
local to = math.min(last, rev + limit)
local out = {'OK', to < last and 1 or 0}
for at = rev + 1, to do
  local field = string.format('%d', at)
  local entry = redis.call('HGET', KEYS[1], field)
  if not entry then return {'RESET', head[1], head[2]} end
  local id = string.match(entry, '^%S+ n (%S+)')
  out[#out + 1] = field
  out[#out + 1] = entry
  out[#out + 1] = id and redis.call('HGET', KEYS[2], id) or false
  out[#out + 1] = id and redis.call('HGET', KEYS[3], id) or false
end
return out
