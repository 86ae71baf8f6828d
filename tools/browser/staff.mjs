export async function staff() {}
