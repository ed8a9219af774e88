/** Where one signs in; afterwards one is where one wanted to be. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { FormEvent } from 'react'
import { Redirect, useSearch } from 'wouter'
import { useCorral } from '../app/corral.tsx'
import { Logo } from '../app/Logo.tsx'
import { nextAddress } from '../app/paths.ts'
import { personKey, usePersonQuery } from '../app/person.tsx'
import { useTitle } from '../app/useTitle.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError } from '../ui/Field.tsx'
import styles from './SignIn.module.css'

export function SignIn() {
  useTitle('Sign in')
  const corral = useCorral()
  const queries = useQueryClient()
  const person = usePersonQuery()
  const search = useSearch()
  const signIn = useMutation({
    mutationFn: corral.signIn.withPassword,
    onSuccess: () => queries.resetQueries({ queryKey: personKey }),
  })
  if (person.data) return <Redirect to={nextAddress(search)} replace />

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    signIn.mutate({ email: String(given.get('email')), password: String(given.get('password')) })
  }

  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <Logo size={36} />
        <h1 className={styles.title}>Sign in to Corral</h1>
        <form className={styles.form} onSubmit={submit}>
          <Field label="E-mail" name="email" type="email" autoComplete="username" required />
          <Field label="Password" name="password" type="password" autoComplete="current-password" required />
          <FormError error={signIn.error} />
          <Button type="submit" kind="primary" busy={signIn.isPending}>
            Sign in
          </Button>
        </form>
      </div>
    </main>
  )
}
