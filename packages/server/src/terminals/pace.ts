/** So many bytes per second, a tenth of a second's worth at once: says how long to wait after each piece. */
export type Pace = {
  /** Milliseconds until the next piece may come; 0: at once. */
  take(bytes: number): number
}

const burstMs = 100

export function createPace(bytesPerSecond: number, now: () => number = () => performance.now()): Pace {
  /** When all that was taken is paid for. */
  let paidAt = 0
  return {
    take(bytes) {
      paidAt = Math.max(paidAt, now()) + (bytes / bytesPerSecond) * 1_000
      const aheadMs = paidAt - now()
      return aheadMs > burstMs ? Math.ceil(aheadMs) : 0
    },
  }
}
