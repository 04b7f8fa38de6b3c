/**
 * @param {number} ms
 * @param {AbortSignal} [signal] Ends the wait early, without an error.
 * @returns {Promise<void>}
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void>;
export class Backoff {
    /**
     * @param {{ base?: number, cap?: number, random?: () => number }} [options] Milliseconds: the first delay is at most
     *   `base`, none is more than `cap`.
     */
    constructor({ base, cap, random }?: {
        base?: number;
        cap?: number;
        random?: () => number;
    });
    base: number;
    cap: number;
    random: () => number;
    /** The next delay in milliseconds, uniform from 0 to `min(cap, base · 2ⁿ)`. */
    next(): number;
    /** Begins anew: an attempt succeeded. */
    reset(): void;
    #private;
}
