/**
 * Server-sent events with back-pressure and a comment now and then. Invariant: such a stream never ends, it breaks: the
 * SDKs stop for good at a clean end, and come back after a break.
 */

export type EventText = string

/** `frames` yields texts that are sent as they are. */
export function eventStream(
  frames: AsyncGenerator<EventText, void, undefined>,
  options: {
    commentMs: number
    /** Its client has gone. */
    gone(): void
    /** Breaks the connection. */
    reset(): void
    /** The frames could not be made. */
    failed(error: unknown): void
  },
): Response {
  const { commentMs, gone, reset, failed } = options
  const encoder = new TextEncoder()
  let next: Promise<IteratorResult<EventText, void>> | null = null

  /** The next frames, or a comment in their place; what was asked for stays asked for. Null: there are no more. */
  async function text(): Promise<EventText | null> {
    next ??= frames.next()
    const quiet = Promise.withResolvers<'quiet'>()
    const timer = setTimeout(() => quiet.resolve('quiet'), commentMs)
    try {
      const came = await Promise.race([next, quiet.promise])
      if (came === 'quiet') return ': still here\n\n'
      next = null
      return came.done ? null : came.value
    } catch (error) {
      failed(error)
      return null
    } finally {
      clearTimeout(timer)
    }
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await text()
        if (next !== null) return controller.enqueue(encoder.encode(next))
        reset()
        controller.close()
      },
      async cancel() {
        gone()
        // It may stand at a frame that nobody takes any more.
        await frames.return()
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    },
  })
}
