/** Hooks for a room of `@gpys/client`. None of them renders for a move: places are read on drawing. */
import { type JoinOptions, join, type Room, type Status } from '@gpys/client';
import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useState,
  useSyncExternalStore,
} from 'react';

const Here = createContext<AnyRoom | undefined>(undefined);

/** A room of any state, profile and space: name yours as a hook's parameter, and all is typed. */
// biome-ignore lint/suspicious/noExplicitAny: the parameters appear both as inputs and as outputs
export type AnyRoom = Room<any, any, any>;

/** What a {@link RoomProvider} needs. */
export interface RoomProviderProps {
  /** The room's URL. Another one is another room. */
  url: string;
  /** How to join; what is here when it joins counts. */
  // biome-ignore lint/suspicious/noExplicitAny: as of a room
  options?: JoinOptions<any, any, any>;
  /** Called when it cannot join. Without it, the error is thrown, for an error boundary. */
  onError?: (error: unknown) => void;
  /** What to show until it has joined. */
  fallback?: ReactNode;
  /** What is in the room. */
  children?: ReactNode;
}

/** Joins a room while it is mounted, and leaves it after that. */
export function RoomProvider(props: RoomProviderProps): ReactNode {
  const { url, options, onError, fallback, children } = props;
  const [room, setRoom] = useState<AnyRoom>();
  // biome-ignore lint/correctness/useExhaustiveDependencies: an object of options is another at each render, and would join anew
  useEffect(() => {
    const abort = new AbortController();
    join(url, { ...options, signal: abort.signal }).then(setRoom, (error) => {
      if (abort.signal.aborted) return;
      if (onError) onError(error);
      else
        setRoom(() => {
          throw error;
        });
    });
    return () => {
      abort.abort();
      setRoom(undefined);
    };
  }, [url]);
  return createElement(Here.Provider, { value: room }, room ? children : fallback);
}

/**
 * The room.
 *
 * @throws Error outside of a {@link RoomProvider}.
 */
export function useRoom<R extends AnyRoom = Room>(): R {
  const room = useContext(Here);
  if (!room) throw new Error('this hook needs a RoomProvider around it');
  return room as R;
}

/** Everybody else. Renders when somebody enters, leaves, or changes anything but place and state. */
export function usePeople<R extends AnyRoom = Room>(): R['people']['list'] {
  const { people } = useRoom<R>();
  return useStore(people, () => people.list);
}

/** A person of a room. */
type PersonOf<R extends AnyRoom> = R['people']['list'][number];

/** One person, by id; undefined while they are not here. Renders when they change. */
export function usePerson<R extends AnyRoom = Room>(id: string): PersonOf<R> | undefined {
  const { people } = useRoom<R>();
  useStore(people, () => people.get(id)?.changes);
  return people.get(id) as PersonOf<R> | undefined;
}

/** This program's own peer. Renders when others see something new of it. */
export function useMe<R extends AnyRoom = Room>(): R['me'] {
  const { me } = useRoom<R>();
  useStore(me, () => me.changes);
  return me;
}

/** How the room is connected. Renders about once a second. */
export function useStatus(): Status {
  const { status } = useRoom();
  return useStore(status, () => status.value);
}

/** What says something on a topic; the same function at each render. */
export function useSay(
  topic: string,
): (body: unknown, options?: Parameters<Room['say']>[2]) => boolean {
  const room = useRoom();
  return useCallback((body, options) => room.say(topic, body, options), [room, topic]);
}

interface Followed {
  subscribe(follow: () => void): () => void;
}

function useStore<T>(store: Followed, read: () => T): T {
  const subscribe = useCallback((render: () => void) => store.subscribe(render), [store]);
  return useSyncExternalStore(subscribe, read, read);
}
