"""renkei (連携): the link between the Ministry of Justice and every municipality over LGWAN."""
