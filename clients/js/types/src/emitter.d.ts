/**
 * @template {Record<string, any>} Events What each event tells, by its name.
 */
export class Emitter<Events extends Record<string, any>> {
    /**
     * Calls `listener` with each event of this name.
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {(detail: Events[Name]) => void} listener
     * @returns {() => void} Ends it.
     */
    on<Name extends keyof Events>(name: Name, listener: (detail: Events[Name]) => void): () => void;
    /**
     * The next event of this name that `wanted` accepts.
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {(detail: Events[Name]) => boolean} [wanted]
     * @returns {Promise<Events[Name]>}
     */
    once<Name extends keyof Events>(name: Name, wanted?: (detail: Events[Name]) => boolean): Promise<Events[Name]>;
    /**
     * Tells everybody who listens. What a listener throws is reported as an uncaught error and hinders nobody else.
     * @template {keyof Events} Name
     * @param {Name} name
     * @param {Events[Name]} detail
     */
    emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void;
    #private;
}
