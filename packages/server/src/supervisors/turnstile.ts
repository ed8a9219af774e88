/** Lets at most `atOnce` of what it is given run, the others in the order of their coming. */
export function createTurnstile(atOnce: number) {
  let inside = 0
  const outside: (() => void)[] = []
  return async function pass<T>(work: () => Promise<T>): Promise<T> {
    if (inside < atOnce) inside++
    else await new Promise<void>((resolve) => outside.push(resolve))
    try {
      return await work()
    } finally {
      // Whoever is next takes over the place.
      const next = outside.shift()
      if (next) next()
      else inside--
    }
  }
}
