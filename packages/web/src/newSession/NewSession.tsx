/** Where a session is begun: a repository, a prompt, and what it is made with. */
import { useMutation } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { useLocation } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { sessionAddress } from '../app/paths.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError } from '../ui/Field.tsx'
import { Page } from '../ui/Page.tsx'

export function NewSession() {
  const corral = useCorral()
  const [, go] = useLocation()
  const start = useMutation({
    mutationFn: (input: { gitUrl: string; prompt: string; model: string }) =>
      corral.call.start.mutate({ ...input, mode: 'code' }),
    onSuccess: ({ cloudAgentSessionId }) => go(sessionAddress(cloudAgentSessionId)),
  })

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    const text = (name: string) => String(given.get(name) ?? '')
    start.mutate({ gitUrl: text('gitUrl'), prompt: text('prompt'), model: text('model') })
  }

  return (
    <Page title="New session">
      <form onSubmit={submit}>
        <Field label="Repository" name="gitUrl" placeholder="https://github.com/owner/repository" required />
        <Field label="Model" name="model" defaultValue="scripted/demo" required />
        <Field label="Prompt" name="prompt" required />
        <FormError error={start.error} />
        <Button type="submit" kind="primary" busy={start.isPending}>
          Start
        </Button>
      </form>
    </Page>
  )
}
