export class Counts {
    unread: number;
    mentions: number;
    lastReadSeq: number;
    /**
     * The server says how many there are.
     * @param {{ unread?: number, mentions?: number, lastReadSeq?: number }} told
     * @param {number} rev What that is current to; changes since are counted on top.
     * @param {boolean} [isFinal] It holds, even where it seems to be older than what is known.
     * @returns {boolean} `false`: it is older than what is known; ask again.
     */
    set({ unread, mentions, lastReadSeq }: {
        unread?: number;
        mentions?: number;
        lastReadSeq?: number;
    }, rev: number, isFinal?: boolean): boolean;
    /**
     * Something unread has come, or is gone.
     * @param {Delta} delta
     */
    add(delta: Delta): void;
    /**
     * All up to `seq` has been read, and this is what is left.
     * @param {number} seq
     * @param {number} unread
     * @param {number} mentions
     */
    read(seq: number, unread: number, mentions: number): void;
    /** What follows has nothing to do with what was. */
    clear(): void;
    #private;
}
export type Delta = {
    rev: number;
    seq: number;
    unread: number;
    mentions: number;
};
