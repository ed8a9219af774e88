/** Who is signed in, and the way out. */
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { Keyboard, KeyRound, LogOut, UserRound } from 'lucide-react'
import { useLocation } from 'wouter'
import { Menu } from '../ui/Menu.tsx'
import { useToast } from '../ui/Toast.tsx'
import { useCorral } from './corral.tsx'
import { showHelp } from './HelpDialog.tsx'
import styles from './Layout.module.css'
import { personKey, usePerson } from './person.tsx'

export function PersonMenu() {
  const corral = useCorral()
  const queries = useQueryClient()
  const toast = useToast()
  const person = usePerson()
  const [, go] = useLocation()
  const signOut = useMutation({
    mutationFn: corral.signIn.out,
    onSuccess() {
      // Nothing of theirs is left for whoever signs in next.
      queries.clear()
      queries.setQueryData(personKey, null)
      go('/sign-in')
    },
    onError: (error) => toast(error.message, 'bad'),
  })
  return (
    <Menu
      label={`Signed in as ${person.name}`}
      className={styles.person}
      groups={[
        [
          { key: 'profile', text: 'Profile', icon: <UserRound size={15} />, onSelect: () => go('/settings') },
          { key: 'keys', text: 'API keys', icon: <KeyRound size={15} />, onSelect: () => go('/settings/keys') },
          { key: 'help', text: 'Keyboard', icon: <Keyboard size={15} />, onSelect: showHelp },
        ],
        [{ key: 'out', text: 'Sign out', icon: <LogOut size={15} />, onSelect: () => signOut.mutate() }],
      ]}
    >
      <span className={styles.initial} data-initial={initialOf(person.name)} />
      <span className={styles.name}>{person.name}</span>
    </Menu>
  )
}

const initialOf = (name: string) => [...name.trim()][0]?.toUpperCase() ?? '?'
