#!/usr/bin/env python3
"""Predicts the age of samples over TCP and over datagrams on a path that loses packets.

    python3 benches/latency/model.py                     # the benchmark's points
    python3 benches/latency/model.py --rtt 50 --hz 60 --loss 5
    python3 benches/latency/model.py --results run.json  # beside what was measured

Standard library only. Two hops, sender to server and server to receiver, each of half a round trip,
lose packets independently. A sample is one packet, on both hops. Over datagrams a lost one is lost. Over TCP:

- SACK and RACK (RFC 8985): a segment is lost once one sent later has been acknowledged and a quarter
  of the round trip has passed since, or at once when three have. It is sent again, and may be lost
  again; then the same holds for the copy.
- A tail-loss probe repeats the last segment after two round trips of silence, and the retransmission
  timeout (200 ms above the round trip, doubling) is the last resort.
- Acknowledgements are not lost. Delivery is in order: everything behind a hole waits.

The server forwards at once (--tick 0) or at its next tick. It knows nothing of congestion windows,
other people's packets, GPyS's copies of slow samples, or a busy machine.
"""

import argparse
import json
import random
import re

SECONDS = 400
LOOK_MS = 10.0
RTO_MIN_MS = 200.0
REORDER_SHARE = 0.25
DUPLICATES = 3


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")


def arrivals_tcp(sent, rtt, loss, rng):
    """When each segment of a stream is delivered in order, for the times at which they are sent."""
    arrive = [0.0] * len(sent)
    for at, first in enumerate(sent):
        time, tries = first, 0
        while rng.random() < loss:
            time = detected(sent, at, time, rtt, loss, tries, rng)
            tries += 1
        arrive[at] = time + rtt / 2
    latest = 0.0
    for at, time in enumerate(arrive):
        latest = max(latest, time)
        arrive[at] = latest
    return arrive


def detected(sent, at, time, rtt, loss, tries, rng):
    """When the loss of a segment sent at `time` is found out and it is sent again."""
    timeout = time + (rtt + RTO_MIN_MS) * 2**tries
    probe = time + 2 * rtt
    later, found = 0, float("inf")
    for other in range(at + 1, len(sent)):
        if sent[other] <= time:
            continue
        acknowledged = sent[other] + rtt
        if acknowledged > timeout:
            break
        if rng.random() < loss:
            continue
        later += 1
        if later == 1:
            # RACK waits for reordered segments, counted from when the lost one was sent.
            found = max(acknowledged, time + rtt + REORDER_SHARE * rtt)
        if later >= DUPLICATES:
            found = min(found, acknowledged)
            break
    # The probe's own acknowledgement tells of the hole, if the probe is not lost.
    if found > probe + rtt and rng.random() >= loss:
        found = min(found, probe + rtt)
    return min(found, timeout)


def arrivals_datagrams(sent, rtt, loss, rng):
    """When each datagram arrives; None if it is lost."""
    return [None if rng.random() < loss else time + rtt / 2 for time in sent]


def run(arrivals, rtt, hz, loss, tick_hz, rng):
    """The ages of messages and of the picture, in ms, and the share of samples within deadlines."""
    gap = 1_000 / hz
    taken = [at * gap * 1.003 for at in range(int(SECONDS * hz))]
    up = arrivals(taken, rtt, loss, rng)
    # What waits at the server leaves with its newest sample.
    tick = 1_000 / tick_hz if tick_hz else 0.0
    forwarded = {}
    for number, time in enumerate(up):
        if time is None:
            continue
        leaves = (int(time / tick) + 1) * tick if tick else time
        forwarded[leaves] = max(forwarded.get(leaves, -1), number)
    times = sorted(forwarded)
    down = arrivals(times, rtt, loss, rng)
    messages, events, newest = [], [], -1
    for leaves, time in zip(times, down):
        if time is None or forwarded[leaves] <= newest:
            continue
        newest = forwarded[leaves]
        messages.append(time - taken[newest])
        events.append((time, taken[newest]))
    picture, at, known = [], 0, None
    look = 1_000.0
    while look < SECONDS * 1_000 - 2_000:
        while at < len(events) and events[at][0] <= look:
            known = events[at][1]
            at += 1
        if known is not None:
            picture.append(look - known)
        look += LOOK_MS
    within = [sum(age <= limit for age in messages) / len(taken) for limit in (50, 100, 150)]
    return messages, picture, within


def predict(rtt, hz, loss, tick_hz, seed=1):
    """The figures of both transports at one point."""
    figures = {}
    for name, arrivals in [("WebSocket", arrivals_tcp), ("WebTransport", arrivals_datagrams)]:
        messages, picture, within = run(arrivals, rtt, hz, loss, tick_hz, random.Random(seed))
        figures[name] = {
            "message": percentile(messages, 0.99),
            "picture": percentile(picture, 0.99),
            "within": within,
        }
    return figures


def measured(file):
    """The p99 ratios of a file written by --json, by (round trip, Hz, loss)."""
    with open(file, encoding="utf-8") as text:
        results = json.load(text)
    hz = {row["scenario"]: row["hz"] for row in results["rows"]}
    points = {}
    for ratio in results.get("ratios", []):
        if (ratio["over"], ratio["under"]) != ("WebSocket", "WebTransport"):
            continue
        name = re.fullmatch(r"(\d+) ms round trip,(?: \d+ Hz,)? (\d+) % loss", ratio["scenario"])
        kind = re.fullmatch(r"(message|picture) age p99", ratio["figure"])
        if name and kind:
            point = (int(name[1]), hz[ratio["scenario"]], int(name[2]))
            shown = (ratio["value"], ratio["low"], ratio["high"])
            points.setdefault(point, {})[kind[1]] = shown
    return points


def main():
    parser = argparse.ArgumentParser(description="Predicts WebSocket / WebTransport on lossy paths.")
    parser.add_argument("--rtt", type=float, nargs="*", default=[20, 50, 100, 200], help="ms")
    parser.add_argument("--hz", type=float, nargs="*", default=[10, 30, 60])
    parser.add_argument("--loss", type=float, nargs="*", default=[1, 2, 5, 10], help="percent")
    parser.add_argument("--tick", type=float, default=0, help="Hz of the server; 0 forwards at once")
    parser.add_argument("--results", help="a file written by cargo bench --bench latency -- --json")
    args = parser.parse_args()
    found = measured(args.results) if args.results else {}
    points = [(r, h, l) for r in args.rtt for h in args.hz for l in args.loss]
    if found:
        points = sorted(point for point in found if point[2] > 0)
    print("| round trip, rate, loss | picture p99, WebTransport | WebSocket | ratio | measured "
          "| message p99, ratio | measured |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for rtt, hz, loss in points:
        both = predict(rtt, hz, loss / 100, args.tick)
        socket, transport = both["WebSocket"], both["WebTransport"]
        cells = [f"{rtt:g} ms, {hz:g} Hz, {loss:g} %"]
        cells += [f"{side['picture']:.0f} ms" for side in (transport, socket)]
        for kind in ("picture", "message"):
            cells.append(f"{socket[kind] / transport[kind]:.2f}")
            seen = found.get((rtt, hz, loss), {}).get(kind)
            cells.append("{:.2f} ({:.2f} to {:.2f})".format(*seen) if seen else "-")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
