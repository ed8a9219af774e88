import { useEffect } from 'react'

/** What the browser's tab says while the component is shown. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === '' ? 'Corral' : `${title} · Corral`
  }, [title])
}
