#!lua
-- KEYS bucket | ARGV burst refill(ms) want. Gives granted and retryAfter(ms).
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local burst, refill, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local was = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if was[1] then tokens = math.min(burst, tonumber(was[1]) + math.max(0, now - tonumber(was[2])) * burst / refill) end
-- The margin is for what rounding lost of a whole token.
local granted = math.min(want, math.floor(tokens + 1e-6))
tokens = math.max(0, tokens - granted)
redis.call('HSET', KEYS[1], 'tokens', string.format('%.9f', tokens), 'at', string.format('%.3f', now))
-- Full again by then, as a bucket that was never used is.
redis.call('PEXPIRE', KEYS[1], string.format('%d', refill + 1))
local wait = 0
if granted == 0 and want > 0 then wait = math.ceil((1 - tokens) * refill / math.max(burst, 1)) end
return {granted, wait}
