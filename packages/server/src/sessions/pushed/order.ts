/**
 * Which items of a push stand: pure. An item is ranked by how final it is and then by the push that it came with, and
 * takes the place of what ranks no higher. So the same items give the same rows in whichever order their pushes are done,
 * and what is equal to what stands is no news.
 */
import type { PushedItem } from './item.ts'

/** What is stored of an item. */
export type Standing = { pushNo: number; finality: number; digest: Buffer }

export type Order = {
  /** News, in the order of the push; of one key perhaps several. */
  accepted: PushedItem[]
  /** What stands of each key that this push has changed. */
  standing: Map<string, Standing & { item: PushedItem }>
  /** Keys whose item came again, equal, with a later push. */
  confirmed: string[]
  unchanged: number
}

export function orderItems(stored: ReadonlyMap<string, Standing>, items: readonly PushedItem[], pushNo: number): Order {
  const order: Order = { accepted: [], standing: new Map(), confirmed: [], unchanged: 0 }
  const confirmed = new Set<string>()
  for (const item of items) {
    const { key, finality, digest } = item
    const before = order.standing.get(key) ?? stored.get(key)
    const outranked = before && (before.finality > finality || (before.finality === finality && before.pushNo > pushNo))
    if (outranked) order.unchanged++
    else if (before?.digest.equals(digest)) {
      order.unchanged++
      if (before.pushNo < pushNo) confirmed.add(key)
    } else {
      order.accepted.push(item)
      order.standing.set(key, { item, finality, digest, pushNo })
    }
  }
  order.confirmed = [...confirmed].filter((key) => !order.standing.has(key))
  return order
}
