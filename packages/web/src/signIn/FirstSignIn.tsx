/** The operator's first visit, by the link that the server printed: a name, an address and a password, and they are in. */
import { useMutation } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useLocation } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { usePersonQuery } from '../app/person.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError } from '../ui/Field.tsx'
import { Entrance } from './Entrance.tsx'

const minPassword = 12

export function FirstSignIn({ token }: { token: string }) {
  useTitle('Welcome')
  const corral = useCorral()
  const person = usePersonQuery()
  const [, go] = useLocation()
  const [mismatch, setMismatch] = useState<string | null>(null)
  const begin = useMutation({
    async mutationFn(given: { name: string; email: string; password: string }) {
      await corral.signIn.first({ token, ...given })
      await corral.signIn.withPassword(given)
    },
    async onSuccess() {
      await person.refetch()
      go('/', { replace: true })
    },
  })

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    const text = (name: string) => String(given.get(name))
    const isSame = text('password') === text('again')
    setMismatch(isSame ? null : 'The two passwords are not the same.')
    if (isSame) begin.mutate({ name: text('name'), email: text('email'), password: text('password') })
  }

  return (
    <Entrance
      title="Welcome to Corral"
      note="You are the operator of this installation. Choose how you sign in from now on."
    >
      <form onSubmit={submit}>
        <Field label="Name" name="name" autoComplete="name" maxLength={100} required />
        <Field label="E-mail" name="email" type="email" autoComplete="username" required />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete="new-password"
          minLength={minPassword}
          maxLength={128}
          hint={`At least ${minPassword} characters.`}
          required
        />
        <Field
          label="Password again"
          name="again"
          type="password"
          autoComplete="new-password"
          error={mismatch}
          required
        />
        <FormError error={begin.error} />
        <Button type="submit" kind="primary" wide busy={begin.isPending}>
          Start
        </Button>
      </form>
    </Entrance>
  )
}
