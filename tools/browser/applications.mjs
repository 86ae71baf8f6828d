export async function applications() {}
