// Every page in light, dark and phone width: looked at by axe, and kept as a picture for whoever runs this.

export async function screens(stage) {
  const { watch, browser, state, teams, service } = stage;
  const yesterday = encodeURIComponent(new Date(Date.now() - 86_400_000).toISOString().slice(0, 19) + "Z");
  const list = "/accounts/1/access_tokens";
  const [created] = (await service.manage("GET", "/v1/events?account=1&type=TokenCreated&limit=1")).data;
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
    "user-token": "/user/tokens/4",
    event: `/accounts/1/history/${created.position}`,
    applications: "/accounts/1/oauth_applications",
    "error-not-found": "/accounts/999/access_tokens",
    "error-sign-in-link": "/sign-in/used-up",
  };
  // Of the application that the flow before registered, where it ran.
  const [application] = (await service.manage("GET", "/v1/accounts/1/oauth-applications")).data;
  if (application) {
    pages.application = `/accounts/1/oauth_applications/${application.id}`;
    pages.consent = `/oauth/authorize?response_type=code&client_id=${application.client_id}&state=x`;
  }
  for (const [name, path] of Object.entries(pages)) await watch.shoot(browser, state, path, name);
  await watch.shoot(browser, undefined, "/sign-in", "sign-in");
}
