#!lua flags=no-writes
-- KEYS room changes messages | ARGV rev eventId limit maxBytes
-- Gives status, head rev, head eventId, hasMore, then in turn rev, change and what it points at as it is now: the
-- message, for a reaction how many have given the emoji, for a change of the room its record; false where there is
-- nothing.
local head = redis.call('HMGET', KEYS[1], 'rev', 'eid')
if not head[1] then return {'NO_ROOM'} end
local last, rev, limit = tonumber(head[1]), tonumber(ARGV[1]), tonumber(ARGV[3])
-- Rev 0 is the beginning: it is known while the first change is, which the loop finds out.
local known = rev > 0 and rev <= last and redis.call('HGET', KEYS[2], ARGV[1])
if rev > 0 and (not known or string.sub(known, 3, 18) ~= ARGV[2]) then return {'RESET', head[1], head[2]} end
local to, bytes, max = math.min(last, rev + limit), 0, tonumber(ARGV[4])
local out = {'OK', head[1], head[2], to < last and 1 or 0}
for at = rev + 1, to do
  local field = string.format('%d', at)
  local change = redis.call('HGET', KEYS[2], field)
  if not change then return {'RESET', head[1], head[2]} end
  local kind, seq, emoji = string.match(change, '^(%a) %S+ %S+ %S+ (%d+) ?(%x*)')
  local now = seq ~= '0' and kind ~= 'd' and redis.call('HGET', KEYS[3], seq)
  if now and kind == 'r' then
    now = string.match(now, '^[^\n]*\n[^\n]*\n[^\n]*\n[^\n]* ' .. emoji .. ':(%d+)') or false
  elseif now then
    -- The tallies and the content, without the line end between them.
    local _, header = string.find(now, '^[^\n]*\n[^\n]*\n[^\n]*\n')
    bytes = bytes + #now - header - 1
  end
  if kind == 'u' then now = redis.call('HGET', KEYS[1], 'record') end
  if bytes > max and at > rev + 1 then
    out[4] = 1
    break
  end
  out[#out + 1] = field
  out[#out + 1] = change
  out[#out + 1] = now
end
return out
