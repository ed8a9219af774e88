/** A page that is not looked at has no frames, and must not gather all that comes until it is. */
const hiddenMs = 500

/** Runs with the screen's next frame, so that however much comes, it is shown at most once per frame. */
export function withNextFrame(run: () => void): void {
  let isDone = false
  function once() {
    if (isDone) return
    isDone = true
    cancelAnimationFrame(frame)
    clearTimeout(timer)
    run()
  }
  const frame = requestAnimationFrame(once)
  const timer = setTimeout(once, hiddenMs)
}
