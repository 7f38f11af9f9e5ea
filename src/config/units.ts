/** Units of settings. */
export const hourMs = 3_600_000;
export const dayMs = 86_400_000;
export const KiB = 1024;
export const MiB = 1_048_576;
export const GiB = 1_073_741_824;
