/** The same bombs where nobody but the supervisor stands for memory: without control groups. */
import { bombs } from '../limits/bombs.ts'

bombs({ cgroups: false })
