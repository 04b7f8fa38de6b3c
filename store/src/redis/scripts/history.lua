#!lua flags=no-writes
-- KEYS room messages | ARGV newest|before|after|around seq limit visibleAfter maxBytes
-- Gives status, rev, eventId, hasMore, then seq and message in turn.
local head = redis.call('HMGET', KEYS[1], 'seq', 'rev', 'eid', 'floor')
if not head[1] then return {'NO_ROOM'} end
local last, low = tonumber(head[1]), math.max(tonumber(head[4]), tonumber(ARGV[4]))
local mode, seq, limit, max = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[5])
local from, to, step = last, low + 1, -1
if mode == 'before' then from = math.min(last, seq - 1) end
if mode == 'after' then from, to, step = math.max(seq, low) + 1, last, 1 end
if mode == 'around' then
  local newer = math.floor((limit - 1) / 2)
  from = math.min(last, seq + newer)
  to = math.max(low + 1, seq - (limit - 1 - newer))
end
local out, bytes, count, at = {'OK', head[2], head[3], 0}, 0, 0, from
while count < limit and (to - at) * step >= 0 do
  local field = string.format('%d', at)
  local message = redis.call('HGET', KEYS[2], field)
  if message then
    local _, header = string.find(message, '^[^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n')
    bytes = bytes + #message - header
    if count > 0 and bytes > max then break end
    out[#out + 1] = field
    out[#out + 1] = message
    count = count + 1
  end
  at = at + step
end
if step == -1 then
  if at > low then out[4] = 1 end
else
  if at <= last then out[4] = 1 end
end
return out
