// Every page in light, dark and phone width: looked at by axe, and kept as a picture for whoever runs this.

export async function screens(stage) {
  const { watch, browser, state, teams } = stage;
  const yesterday = encodeURIComponent(new Date(Date.now() - 86_400_000).toISOString().slice(0, 19) + "Z");
  const list = "/accounts/1/access_tokens";
  const pages = {
    home: "/",
    "api-and-access": list,
    "api-and-access-solo": "/accounts/2/access_tokens",
    "api-and-access-as-of": `${list}?as_of=${yesterday}`,
    generate: `${list}/new`,
    "generate-solo": "/accounts/2/access_tokens/new",
    edit: `${list}/${teams?.id ?? 14}/edit`,
    rotate: `${list}/${teams?.id ?? 14}/rotate`,
    delete: `${list}/14/delete`,
    token: `${list}/14`,
    "token-deploy": `${list}/2`,
    usage: "/accounts/1/usage",
    history: "/accounts/1/history",
    user: "/user",
    applications: "/accounts/1/oauth_applications",
    "error-not-found": "/accounts/999/access_tokens",
  };
  for (const [name, path] of Object.entries(pages)) await watch.shoot(browser, state, path, name);
  await watch.shoot(browser, undefined, "/sign-in", "sign-in");
}
