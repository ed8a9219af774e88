/** Leads to GitHub, which leads back. */
import { useMutation } from '@tanstack/react-query'
import { useCorral } from '../app/corral.tsx'
import { signInAddress } from '../app/paths.ts'
import { Button } from '../ui/Button.tsx'
import { FormError } from '../ui/Field.tsx'
import styles from './Entrance.module.css'

export function GithubSignIn({ next }: { next: string }) {
  const corral = useCorral()
  const leave = useMutation({
    mutationFn: () => corral.signIn.githubAddress({ next, onError: signInAddress(next) }),
    onSuccess: (address) => location.assign(address),
  })
  return (
    <>
      <p className={styles.or}>or</p>
      <FormError error={leave.error} />
      <Button wide busy={leave.isPending} onClick={() => leave.mutate()}>
        Sign in with GitHub
      </Button>
    </>
  )
}
