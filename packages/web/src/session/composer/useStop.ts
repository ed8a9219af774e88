/** Stopping everything that runs and waits: by the button, or by Escape twice within two seconds. */
import { useMutation } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { useCorral } from '../../app/corral.tsx'
import { useSessionId } from '../sessionContext.tsx'

const againWithinMs = 2_000

export function useStop(isBusy: boolean): {
  state: 'idle' | 'asked' | 'stopping'
  error: Error | null
  now(): void
} {
  const { call } = useCorral()
  const cloudAgentSessionId = useSessionId()
  const [isAsked, setAsked] = useState(false)
  const { mutate, isPending, error } = useMutation({
    mutationFn: () => call.interruptSession.mutate({ cloudAgentSessionId }),
  })

  useEffect(() => {
    if (!isBusy) return setAsked(false)
    function keyDown(event: KeyboardEvent): void {
      // Menus and dialogs take it first.
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open], :popover-open'))
        return
      if (isAsked) mutate()
      setAsked(!isAsked)
    }
    window.addEventListener('keydown', keyDown)
    const timer = isAsked ? setTimeout(() => setAsked(false), againWithinMs) : undefined
    return () => {
      window.removeEventListener('keydown', keyDown)
      clearTimeout(timer)
    }
  }, [isBusy, isAsked, mutate])

  return { state: isPending ? 'stopping' : isAsked ? 'asked' : 'idle', error, now: () => mutate() }
}
