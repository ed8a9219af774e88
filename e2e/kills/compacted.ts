/** Numbers whose deltas were taken out of the log a minute after the end; the part that they made says so. */
export function compactedIn(rows: { deltas: string | null }[]): Set<number> {
  const gone = new Set<number>()
  for (const { deltas } of rows) {
    if (deltas === null) continue
    let seq = 0
    for (const [step] of JSON.parse(deltas)) {
      seq += step
      gone.add(seq)
    }
  }
  return gone
}
