/** Listeners by the name of their event, called in the order in which they came. */
export class Emitter<Events> {
  private readonly listeners: { [Name in keyof Events]?: ((value: Events[Name]) => void)[] } = {};

  /** Calls `listener` at each event of this name until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: (value: Events[Name]) => void): () => void {
    this.listeners[name] = [...(this.listeners[name] ?? []), listener];
    return () => {
      this.listeners[name] = this.listeners[name]?.filter((it) => it !== listener);
    };
  }

  /** Calls every listener of this event. */
  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    for (const listener of this.listeners[name] ?? []) listener(value);
  }
}
