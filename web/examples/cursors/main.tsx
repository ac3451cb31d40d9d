/** Everybody's cursor on one board. */
import { type PlaneOption, plane, type Room } from '@gpys/client';
import { RoomProvider, usePeople, useRoom } from '@gpys/react';
import { useEffect, useRef } from 'react';
import { createRoot } from 'react-dom/client';

type Board = Room<unknown, { colour: string }, PlaneOption>;

function Cursor({ person }: { person: Board['people']['list'][number] }) {
  const cursor = useRef<HTMLDivElement>(null);
  useEffect(() => {
    let frame = requestAnimationFrame(function draw(time) {
      const at = person.at(time);
      cursor.current!.style.transform = at ? `translate(${at.x}px, ${at.y}px)` : 'scale(0)';
      frame = requestAnimationFrame(draw);
    });
    return () => cancelAnimationFrame(frame);
  }, [person]);
  return (
    <div ref={cursor} className="cursor" style={{ color: person.profile?.colour }}>
      ⬉ {person.name}
    </div>
  );
}

function Cursors() {
  const { me } = useRoom<Board>();
  const cursors = usePeople<Board>().map((it) => <Cursor key={it.id} person={it} />);
  return <main onPointerMove={(it) => me.move({ x: it.clientX, y: it.clientY })}>{cursors}</main>;
}

const name = new URLSearchParams(location.search).get('name') ?? 'Somebody';
const profile = { colour: `hsl(${Math.random() * 360} 80% 40%)` };
createRoot(document.getElementById('root')!).render(
  <RoomProvider url={`${location.origin}/r/cursors`} options={{ name, profile, space: plane() }}>
    <Cursors />
  </RoomProvider>,
);
