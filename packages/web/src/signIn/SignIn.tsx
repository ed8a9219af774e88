/** Where one signs in; afterwards one is where one wanted to be. */
import { useMutation, useQuery } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { Redirect, useSearch, useSearchParams } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { nextAddress } from '../app/paths.ts'
import { usePersonQuery } from '../app/person.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError } from '../ui/Field.tsx'
import { Entrance } from './Entrance.tsx'
import { FirstSignIn } from './FirstSignIn.tsx'
import { useFirstToken } from './firstToken.ts'
import { GithubSignIn } from './GithubSignIn.tsx'

export function SignIn() {
  const corral = useCorral()
  const person = usePersonQuery()
  const search = useSearch()
  const ways = useQuery({ queryKey: ['sign-in ways'], queryFn: corral.signIn.ways })
  const token = useFirstToken()
  if (person.data) return <Redirect to={nextAddress(search)} replace />
  if (token !== null && ways.data?.first !== false) return <FirstSignIn token={token} />
  return (
    <Entrance
      title="Sign in to Corral"
      note={
        ways.data?.first && (
          <>
            The operator has no password yet: open the link that <code>corral up</code> printed at its start.
          </>
        )
      }
    >
      {token !== null && <FormError error={usedUp} />}
      <PasswordForm />
      {ways.data?.github && <GithubSignIn next={nextAddress(search)} />}
    </Entrance>
  )
}

const usedUp = new Error('That link has been used. Sign in with the password that was chosen then.')

function PasswordForm() {
  useTitle('Sign in')
  const corral = useCorral()
  const person = usePersonQuery()
  const [search] = useSearchParams()
  const signIn = useMutation({
    mutationFn: corral.signIn.withPassword,
    onSuccess: () => person.refetch(),
  })

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    signIn.mutate({ email: String(given.get('email')), password: String(given.get('password')) })
  }

  return (
    <form onSubmit={submit}>
      <Field label="E-mail" name="email" type="email" autoComplete="username" required />
      <Field label="Password" name="password" type="password" autoComplete="current-password" required />
      <FormError error={signIn.error ?? errorOfGithub(search.get('error'))} />
      <Button type="submit" kind="primary" wide busy={signIn.isPending || person.isFetching}>
        Sign in
      </Button>
    </form>
  )
}

/** What better-auth's way back from GitHub says in the address. */
function errorOfGithub(code: string | null): Error | null {
  if (code === null) return null
  if (code === 'access_denied') return new Error('GitHub was not allowed to tell who you are.')
  const isUnknown = ['signup_disabled', 'account_not_linked', 'email_not_found'].includes(code)
  if (isUnknown) {
    return new Error(
      'No user here has the e-mail address that GitHub has verified for you. Ask an operator to make one for that address.',
    )
  }
  return new Error(`Signing in by GitHub did not work (${code.replaceAll('_', ' ').slice(0, 80)}). Try again.`)
}
