/** Of oneself: name, password, and how the page looks in this browser. */
import type { ProfileView } from '@corral/protocol'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useCorral } from '../app/corral.tsx'
import { personKey } from '../app/person.tsx'
import { profileKey } from '../app/profile.ts'
import { chooseTheme, keptTheme, type Theme, themes } from '../app/theme.ts'
import { useTitle } from '../app/useTitle.ts'
import { Button } from '../ui/Button.tsx'
import { Field, FormError, SelectField } from '../ui/Field.tsx'
import { Section } from '../ui/Section.tsx'
import { useToast } from '../ui/Toast.tsx'
import styles from './Profile.module.css'

export function Profile({ profile }: { profile: ProfileView }) {
  useTitle('Profile')
  return (
    <>
      <Section title="Profile" about={profile.isOperator ? 'You are an operator of this installation.' : undefined}>
        <Name profile={profile} />
      </Section>
      <Section title="Password" about="Changing it ends all your other sign-ins.">
        <Password />
      </Section>
      <Section title="Appearance" about="In this browser.">
        <Appearance />
      </Section>
    </>
  )
}

function Name({ profile }: { profile: ProfileView }) {
  const corral = useCorral()
  const queries = useQueryClient()
  const toast = useToast()
  const rename = useMutation({
    mutationFn: (name: string) => corral.call.updateProfile.mutate({ name }),
    async onSuccess() {
      await Promise.all([profileKey, personKey].map((queryKey) => queries.invalidateQueries({ queryKey })))
      toast('Your name is changed.')
    },
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    rename.mutate(String(new FormData(event.currentTarget).get('name')))
  }
  return (
    <form className={styles.form} onSubmit={submit}>
      <Field label="Name" name="name" defaultValue={profile.name} autoComplete="name" maxLength={100} required />
      <Field label="E-mail" value={profile.email} readOnly hint="You sign in with it. It cannot be changed here." />
      <FormError error={rename.error} />
      <Button type="submit" busy={rename.isPending}>
        Save name
      </Button>
    </form>
  )
}

function Password() {
  const corral = useCorral()
  const toast = useToast()
  const [round, setRound] = useState(0)
  const change = useMutation({
    mutationFn: corral.signIn.changePassword,
    onSuccess() {
      toast('Your password is changed.')
      setRound(round + 1)
    },
  })
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const given = new FormData(event.currentTarget)
    change.mutate({ currentPassword: String(given.get('current')), newPassword: String(given.get('new')) })
  }
  return (
    // Its fields are emptied when the password has been changed.
    <form key={round} className={styles.form} onSubmit={submit}>
      <Field label="Current password" name="current" type="password" autoComplete="current-password" required />
      <Field
        label="New password"
        name="new"
        type="password"
        autoComplete="new-password"
        minLength={12}
        maxLength={128}
        hint="At least 12 characters."
        required
      />
      <FormError error={change.error} />
      <Button type="submit" busy={change.isPending}>
        Change password
      </Button>
    </form>
  )
}

const names: Record<Theme, string> = { system: 'As the system has it', light: 'Light', dark: 'Dark' }

function Appearance() {
  const [theme, setTheme] = useState(keptTheme)
  return (
    <div className={styles.form}>
      <SelectField
        label="Theme"
        value={theme}
        onChange={({ target }) => {
          const chosen = themes.find((name) => name === target.value) ?? 'system'
          chooseTheme(chosen)
          setTheme(chosen)
        }}
      >
        {themes.map((name) => (
          <option key={name} value={name}>
            {names[name]}
          </option>
        ))}
      </SelectField>
    </div>
  )
}
