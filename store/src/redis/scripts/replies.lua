#!lua flags=no-writes
-- KEYS room replies messages | ARGV parent after (both as in the index) limit maxBytes
-- Gives status, hasMore, then seq and message in turn.
if redis.call('HEXISTS', KEYS[1], 'rev') == 0 then return {'NO_ROOM'} end
local limit, max = tonumber(ARGV[3]), tonumber(ARGV[4])
local found = redis.call('ZRANGE', KEYS[2], '(' .. ARGV[1] .. ' ' .. ARGV[2], '(' .. ARGV[1] .. '!', 'BYLEX', 'LIMIT', 0, limit + 1)
local out, bytes, count = {'OK', 0}, 0, 0
for _, entry in ipairs(found) do
  local seq = string.format('%d', string.sub(entry, 18))
  local message = redis.call('HGET', KEYS[3], seq)
  local _, header = string.find(message, '^[^\n]*\n[^\n]*\n[^\n]*\n')
  -- The tallies and the content, without the line end between them.
  bytes = bytes + #message - header - 1
  if count == limit or count > 0 and bytes > max then
    out[2] = 1
    break
  end
  out[#out + 1] = seq
  out[#out + 1] = message
  count = count + 1
end
return out
