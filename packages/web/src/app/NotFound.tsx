/** For addresses that show nothing. */
import { Link } from 'wouter'
import { EmptyState } from '../ui/EmptyState.tsx'
import { useTitle } from './useTitle.ts'

export function NotFound() {
  useTitle('Not found')
  return (
    <EmptyState title="There is nothing at this address" action={<Link href="/">Go to your sessions</Link>}>
      It may have been moved or deleted, or it belongs to somebody else.
    </EmptyState>
  )
}
