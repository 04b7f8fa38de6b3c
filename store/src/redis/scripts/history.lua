#!lua flags=no-writes
-- KEYS room messages | ARGV newest|before|after|around seq limit visibleAfter maxBytes
-- Gives status, rev, eventId, hasMore, then seq and message in turn.
local head = redis.call('HMGET', KEYS[1], 'seq', 'rev', 'eid', 'floor')
if not head[1] then return {'NO_ROOM'} end
local last, low = tonumber(head[1]), math.max(tonumber(head[4]), tonumber(ARGV[4]))
local mode, seq, limit, room = ARGV[1], math.min(tonumber(ARGV[2]), last + 1), tonumber(ARGV[3]), tonumber(ARGV[5])
local taken = 0
-- Takes messages from `at` to `to`, at most `most` and `max` bytes of them, but the first of the page in any case. Gives
-- them and the number after the last.
local function take(at, to, step, most, max)
  local found, bytes = {}, 0
  while #found < most and (to - at) * step >= 0 do
    local field = string.format('%d', at)
    local message = redis.call('HGET', KEYS[2], field)
    if message then
      local _, header = string.find(message, '^[^\n]*\n[^\n]*\n[^\n]*\n')
      -- The tallies and the content, without the line end between them.
      local size = #message - header - 1
      bytes = bytes + size
      if taken > 0 and bytes > max then break end
      found[#found + 1] = {field, message}
      taken, room = taken + 1, room - size
    end
    at = at + step
  end
  return found, at
end
local out = {'OK', head[2], head[3], 0}
local function put(item)
  out[#out + 1] = item[1]
  out[#out + 1] = item[2]
end
local found, at
if mode == 'after' then
  found, at = take(math.max(seq, low) + 1, last, 1, limit, room)
  if at <= last then out[4] = 1 end
else
  local from, most = mode == 'newest' and last or seq - 1, limit
  if mode == 'around' then
    -- The message itself, newer ones with half of the bytes, then older ones with what is left.
    local middle = seq > low and take(seq, math.min(seq, last), 1, limit, room) or {}
    local beside = limit - #middle
    local newer = take(math.max(seq, low) + 1, last, 1, math.floor(beside / 2), math.floor(room / 2))
    most = beside - math.floor(beside / 2)
    for i = #newer, 1, -1 do put(newer[i]) end
    for _, item in ipairs(middle) do put(item) end
  end
  found, at = take(from, low + 1, -1, most, room)
  if at > low then out[4] = 1 end
end
for _, item in ipairs(found) do put(item) end
return out
