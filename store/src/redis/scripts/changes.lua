#!lua flags=no-writes
-- KEYS room changes messages | ARGV rev eventId limit
-- Gives status, head rev, head eventId, hasMore, then rev, change and message (or false) in turn.
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
local last, rev, limit = tonumber(head[1]), tonumber(ARGV[1]), tonumber(ARGV[3])
-- Rev 0 is the beginning: it is known while the first change is, which the loop finds out.
local known = rev > 0 and rev <= last and redis.call('HGET', KEYS[2], ARGV[1])
if rev > 0 and (not known or string.sub(known, 3, 18) ~= ARGV[2]) then return {'RESET', head[1], head[2]} end
local to = math.min(last, rev + limit)
local out = {'OK', head[1], head[2], to < last and 1 or 0}
for at = rev + 1, to do
  local field = string.format('%d', at)
  local change = redis.call('HGET', KEYS[2], field)
  if not change then return {'RESET', head[1], head[2]} end
  local message = false
  if string.sub(change, 1, 1) == 'm' then
    message = redis.call('HGET', KEYS[3], string.match(change, '%d+$'))
  end
  out[#out + 1] = field
  out[#out + 1] = change
  out[#out + 1] = message
end
return out
